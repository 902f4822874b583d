"""The combinations of options that are recorded: every way to choose a partition, with both hashes and both forms of keys, and to
each of these three of the sets of options that change what is sent or where."""

HASHES = ["default", "murmur3"]
FORMATS = ["hash", "array"]
PARTITIONS = [1, 2, 3, 5, 7, 8, 12, 16]


def by_column(columns, fallback):
    return {"producer_partition_by": "column", "producer_partition_columns": columns, "producer_partition_by_fallback": fallback}


# Lists with blanks, empty names, names of other letter case, and names that few tables have.
WAYS = (
    [{"producer_partition_by": way} for way in ["database", "table", "primary_key", "transaction_id", "thread_id", "random"]]
    + [{}]
    + [by_column("id", fallback) for fallback in ["database", "table", "primary_key", "transaction_id", "thread_id", "random"]]
    + [by_column("name,b", fallback) for fallback in ["database", "table", "primary_key", "transaction_id", "thread_id"]]
    + [by_column("b, name ,tags", fallback) for fallback in ["table", "primary_key"]]
    + [by_column(" name,,id, ", fallback) for fallback in ["table", "primary_key"]]
    + [by_column("ID,odd name,The_ID,d,amount", fallback) for fallback in ["database", "table"]]
    + [by_column("name\t,id ", "database")]
)

PLAIN_NAMES = "exclude: odd.*, exclude: quirks.*"
ALL_FIELDS = {
    name: "true"
    for name in [
        "output_binlog_position", "output_server_id", "output_thread_id", "output_row_query", "output_primary_keys",
        "output_primary_key_columns", "output_ddl",
    ]
}
# `@` becomes the combination's own name, which all its topics begin with.
SENT = {
    "plain": {},
    "fields": ALL_FIELDS | {"filter": "exclude: sets.*"},
    "ddl": {"output_ddl": "true"},
    "ddl apart": {"output_ddl": "true", "ddl_kafka_topic": "@-ddl"},
    "bare": {"output_commit_info": "false", "output_nulls": "false", "output_primary_key_columns": "true"},
    "camel": {"output_naming_strategy": "underscore_to_camelcase", "output_ddl": "true", "output_xoffset": "false"},
    "without": {"exclude_columns": "name, /^(b|tags)$/"},
    "zero dates": {"output_null_zerodates": "true", "output_row_query": "true", "row_query_max_length": "25"},
    "by database": {"kafka_topic": "@-%{database}", "filter": PLAIN_NAMES},
    "by table": {"kafka_topic": "@.%{database}_%{table}", "filter": PLAIN_NAMES},
    "by type": {"kafka_topic": "@-%{type}", "output_ddl": "true", "ddl_kafka_topic": "@", "filter": "exclude: *./.*_keys/"},
}
TABLES = {
    "shop": ["orders", "pairs", "loose", "Mixed_Case", "Renamed_Case", "unsafe"],
    "kinds": ["latin", "wide", "koi", "times", "amounts", "doubles", "small", "bytes", "labels", "long_keys"],
    "sets": ["marks"],
    "finish": ["finish"],
}


def topics(name, options, first):
    """The topics that a combination needs, each with its number of partitions."""
    template = options["kafka_topic"]
    if "%{table}" in template:
        names = [template.replace("%{database}", d).replace("%{table}", t) for d, tables in TABLES.items() for t in tables]
    elif "%{database}" in template:
        names = [template.replace("%{database}", d) for d in TABLES]
    elif "%{type}" in template:
        names = [template.replace("%{type}", t) for t in ["insert", "update", "delete"]]
    else:
        names = [template]
    if "ddl_kafka_topic" in options:
        names.append(options["ddl_kafka_topic"])
    # Many topics, few partitions: a broker has to make them all.
    counts = PARTITIONS[: 8 if len(names) < 10 else 4]
    return {topic: counts[(first + n) % len(counts)] for n, topic in enumerate(names)}


def all_of_them():
    found = []
    kinds = list(SENT)
    number = 0
    for way in WAYS:
        for partition_hash in HASHES:
            for key_format in FORMATS:
                for step in [0, 3, 7]:
                    kind = kinds[(number // 3 + step) % len(kinds)]
                    name = f"c{number:03}"
                    options = {"kafka_topic": "@"} | way | {"kafka_partition_hash": partition_hash, "kafka_key_format": key_format} | SENT[kind]
                    options = {option: value.replace("@", name) for option, value in options.items()}
                    found.append({"name": name, "kind": kind, "options": options, "topics": topics(name, options, number)})
                    number += 1
    return found
