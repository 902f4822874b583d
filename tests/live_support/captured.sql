-- Tables that are there before anybody follows the binlog: Maxwell reads them from information_schema, and some of them wrong.
-- Runs on MySQL 5.6 to 9.7 and MariaDB. One statement ends at each semicolon at a line's end.

create database kinds character set utf8mb4;
create table kinds.captured (
  id int not null primary key, tz tinyint zerofill, iz int(5) unsigned zerofill, bu bigint unsigned, bz bigint zerofill, l char(16) character set latin1,
  v varchar(20) collate latin1_german1_ci, e enum('it''s', 'a,b', 'back\\slash', 'plain', ',', 'x('), s set('a''b', 'c"d', 'e'), b binary(4)
);
create table kinds.untouched (id int zerofill primary key, e enum('it''s'));
create table kinds.cut (id int primary key, e enum('a'',b', 'c', 'd'',', 'last'), s set('x''', 'z'));
