# shellcheck shell=bash
# Apache Kafka 4.0 (KRaft: broker and controller in one process), its jars by Maven.
# Instances: kafka, kafka-… (one broker each); kafka3-1, kafka3-2, kafka3-3 are one cluster, started together by the name kafka3.
# kafka-secure is a broker with ACLs and a listener for every way to log in, see secure_settings.
kind_label=kafka
kind_image=kafka
kind_recipe='kafka 4.0.0 from Maven, 1'
case $name in kafka3-* | kafka-secure) kind_image= ;; esac

kind_install() {
  command -v java >/dev/null || need_packages openjdk-17-jre-headless
  command -v mvn >/dev/null || need_packages maven
  command -v kcat >/dev/null || need_packages kafkacat
  mkdir -p "$home/pom"
  cat >"$home/pom/pom.xml" <<'POM'
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>binlogd.test</groupId><artifactId>broker</artifactId><version>1</version><packaging>pom</packaging>
  <dependencies>
    <dependency><groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>4.0.0</version></dependency>
    <dependency><groupId>org.apache.kafka</groupId><artifactId>kafka-tools</artifactId><version>4.0.0</version></dependency>
    <dependency><groupId>org.slf4j</groupId><artifactId>slf4j-simple</artifactId><version>1.7.36</version></dependency>
  </dependencies>
</project>
POM
  mvn -q -B -Dstyle.color=never -f "$home/pom/pom.xml" dependency:copy-dependencies -DoutputDirectory="$home/libs" 2>&1
  [ -e "$home/libs/kafka_2.13-4.0.0.jar" ]
}

kafka_java() { java -Dorg.slf4j.simpleLogger.defaultLogLevel=warn -cp "$home/libs/*" "$@"; }

# The other brokers of this one's cluster are found by their folders.
kafka_members() { case $name in kafka3-*) echo kafka3-1 kafka3-2 kafka3-3 ;; *) echo "$name" ;; esac; }
kafka_address() {
  local member list=
  for member in $(kafka_members); do list+=,127.0.0.1:$(cat "$run/$member/port"); done
  printf '%s' "${list#,}"
}

# NAME:PROTOCOL; each has a port of its own.
secure_listeners='SSL:SSL MTLS:SSL EXPIRED:SSL OTHERHOST:SSL SASL:SASL_PLAINTEXT SASLTLS:SASL_SSL PLAINONLY:SASL_PLAINTEXT'
kind_ports() {
  local listener
  echo port port.controller
  [ "$name" != kafka-secure ] || for listener in $secure_listeners; do echo "port.${listener%%:*}"; done
}

# secure_settings: lines of kafka-secure. PLAINTEXT is for whoever runs the tests (ANONYMOUS is a super user, and so is who comes with
# TLS only); SASL and SASLTLS take every mechanism, PLAINONLY one. Certificates come from the test, as --flag=ssl.keystore.location=…
# and --flag=listener.name.LISTENER.ssl…; without them the listeners with TLS are left out. The password of a user is NAME-secret.
# Users that the rights are tried with are called w-…, all others may do everything.
secure_users='polly w-none w-write w-other w-describe w-create w-create-only w-once w-once-topic w-once-pair w-once-id w-position w-position-read w-letters w-cluster'
secure_settings() {
  local listener tls='' port listeners map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT user users='' here
  here=org.apache.kafka.common.security
  case " ${extra[*]-} " in *' ssl.keystore.location='*) tls=1 ;; esac
  listeners=PLAINTEXT://127.0.0.1:$(cat "$dir/port")
  for user in $secure_users; do users+=" user_$user=\"$user-secret\""; done
  for listener in $secure_listeners; do
    case $listener in *SSL) [ -n "$tls" ] || continue ;; esac
    port=$(cat "$dir/port.${listener%%:*}")
    listeners+=,${listener%%:*}://127.0.0.1:$port
    map+=,$listener
  done
  printf '%s\n' "listeners=$listeners,CONTROLLER://127.0.0.1:$(cat "$dir/port.controller")" "advertised.listeners=$listeners" \
    "listener.security.protocol.map=$map" inter.broker.listener.name=PLAINTEXT auto.create.topics.enable=false \
    authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer \
    'super.users=User:ANONYMOUS;User:polly;User:sam;User:olga;User:CN=client' \
    sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256,SCRAM-SHA-512,OAUTHBEARER listener.name.plainonly.sasl.enabled.mechanisms=PLAIN \
    listener.name.mtls.ssl.client.auth=required \
    listener.name.sasl.oauthbearer.connections.max.reauth.ms=3600000
  for listener in sasl sasltls plainonly; do
    printf '%s\n' "listener.name.$listener.plain.sasl.jaas.config=$here.plain.PlainLoginModule required$users;"
    [ $listener != plainonly ] || continue
    printf '%s\n' "listener.name.$listener.scram-sha-256.sasl.jaas.config=$here.scram.ScramLoginModule required;" \
      "listener.name.$listener.scram-sha-512.sasl.jaas.config=$here.scram.ScramLoginModule required;" \
      "listener.name.$listener.oauthbearer.sasl.jaas.config=$here.oauthbearer.OAuthBearerLoginModule required unsecuredLoginStringClaim_sub=\"broker\";"
  done
}

# A restarted broker may register only when the session of its former life is over: by default 9 s, here 3.
kind_prepare() {
  local id=1 port controller member voters='' copies=1 cluster mechanism scram=()
  port=$(cat "$dir/port"); controller=$(cat "$dir/port.controller")
  for member in $(kafka_members); do
    [ -e "$run/$member/port.controller" ] || die "$name: its cluster is started by the name kafka3 first"
    [ "$member" != "$name" ] || id=$(wc -w <<<"$voters x")
    voters="$voters $(wc -w <<<"$voters x")@127.0.0.1:$(cat "$run/$member/port.controller")"
  done
  case $name in kafka3-*) copies=3 ;; esac
  voters=$(xargs <<<"$voters")
  {
    printf '%s\n' process.roles=broker,controller "node.id=$id" "controller.quorum.voters=${voters// /,}" \
      "listeners=PLAINTEXT://127.0.0.1:$port,CONTROLLER://127.0.0.1:$controller" "advertised.listeners=PLAINTEXT://127.0.0.1:$port" \
      controller.listener.names=CONTROLLER listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT \
      "log.dirs=$dir/data" "default.replication.factor=$copies" "offsets.topic.replication.factor=$copies" \
      "transaction.state.log.replication.factor=$copies" "transaction.state.log.min.isr=$((copies > 1 ? 2 : 1))" \
      group.initial.rebalance.delay.ms=0 \
      broker.session.timeout.ms=3000 broker.heartbeat.interval.ms=500
    [ "$name" != kafka-secure ] || secure_settings
    # A later line wins over an earlier one.
    [ ${#extra[@]} -eq 0 ] || printf '%s\n' "${extra[@]}"
  } >"$dir/server.properties"
  # Its unpacked libraries stay behind after a kill.
  mkdir -p "$dir/tmp"
  [ -e "$dir/ready" ] && return
  rm -rf "$dir/data"
  # One id for the cluster, made from its place; the first letter must not look like an option.
  cluster=$(printf '%s' "$run/${name%-*}" | md5sum | cut -c1-21)
  [ "$name" != kafka-secure ] ||
    for mechanism in SCRAM-SHA-256 SCRAM-SHA-512; do scram+=(--add-scram "$mechanism=[name=sam,password=sam-secret]"); done
  kafka_java kafka.tools.StorageTool format -t "A$cluster" -c "$dir/server.properties" ${scram[@]+"${scram[@]}"} >>"$dir/server.log" 2>&1 ||
    { tail -5 "$dir/server.log" >&2; die "$name: the log folder could not be formatted, see $dir/server.log"; }
}

kind_command() {
  local options=(-Xmx1g)
  # Three at a time, and started again and again: what is quick to start is worth more than what runs fastest.
  case $name in kafka3-*) options=(-Xmx512m -XX:TieredStopAtLevel=1 -XX:+UseSerialGC) ;; esac
  command=(java "${options[@]}" -Dorg.slf4j.simpleLogger.showDateTime=true '-Dorg.slf4j.simpleLogger.dateTimeFormat=HH:mm:ss.SSS' \
    "-Djava.io.tmpdir=$dir/tmp" -cp "$home/libs/*" kafka.Kafka "$dir/server.properties")
}

kind_answers() { kcat -b "127.0.0.1:$(cat "$dir/port")" -L -m 1 2>/dev/null | grep -q ' 127.0.0.1:'; }
kind_first_start() { :; }
kind_version() { echo 4.0.0; }
kafka_topics() { kafka_java org.apache.kafka.tools.TopicCommand --bootstrap-server "$(kafka_address)" "$@"; }
kind_topic() {
  local topic=$1 partitions=$2 option options=(); shift 2
  for option in "$@"; do options+=(--config "$option"); done
  kafka_topics --create --if-not-exists --topic "$topic" --partitions "$partitions" ${options[@]+"${options[@]}"} >&2
}
kind_environment() { case $name in kafka) printf 'export BINLOGD_TEST_KAFKA=%q\n' "$(kafka_address)" ;; kafka3-1) printf 'export BINLOGD_TEST_KAFKA3=%q\n' "$(kafka_address)" ;; esac; }
