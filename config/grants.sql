-- The daemon's user, for MySQL 5.6 to 9.7 and MariaDB. Run as an administrator, with a password of your own.
-- With `host` and `replication_host` on different servers: the last grant belongs on `host`, the others on `replication_host`.

create user 'maxwell'@'%' identified by 'maxwell';

-- Reading the binlog, its position, and the definitions of all tables (information_schema shows only what a user may select).
grant select, replication client, replication slave on *.* to 'maxwell'@'%';

-- The schema database (option schema_database): stored definitions and positions. It is created at the first start.
grant all on maxwell.* to 'maxwell'@'%';
