-- Small tables with keys of many kinds, for recording what Maxwell makes of them. One statement ends at each semicolon at a
-- line's end; `-- @conn` begins a new connection.
--   shop, kinds  names that may stand in a topic's name
--   sets         a SET in the primary key, which ends Maxwell with output_primary_keys
--   odd          names that no topic may have, and that end Maxwell in a template
--   quirks       each table is named by an entry of encode::quirks, and shows it
--   finish       the last row of all

-- @conn
create database shop character set utf8mb4;
use shop;
create table orders (
  id bigint unsigned not null auto_increment primary key, name varchar(40), a int, b decimal(12,3), tags set('red', 'green', 'blue'),
  d datetime null, doc json
);
insert into orders (name, a, b, tags, d, doc) values
  ('first', 1, 1.5, 'red', '2026-02-03 04:05:06', '{"n": 1, "list": [1, 2.5, null]}'), ('zweite', -2, -0.001, 'red,blue', null, null),
  (null, null, null, null, null, '[]'), ('', 0, 0, '', '0001-01-01 00:00:00', '"text"'), ('größer 😀', 2147483647, 999999999.999, 'blue', null, null);
insert into orders (id, name) values (9223372036854775808, 'large'), (18446744073709551615, 'largest');
update orders set a = a + 1 where id < 3;
update orders set id = 77, name = 'moved' where id = 2;
update orders set name = null where id = 1;
delete from orders where id = 4;
create table pairs (a varchar(20) not null, b int not null, name varchar(20), primary key (b, a));
insert into pairs values ('x', 1, 'one'), ('ü', 2, null), ('', 3, 'three'), ('"q"\\', -4, 'quotes');
update pairs set a = 'y' where b = 1;
replace into pairs values ('', 3, 'THREE'), ('new', 4, 'four');
delete from pairs where b = -4;
create table loose (name varchar(20), amount int);
insert into loose values ('one', 1), ('two', 2), ('two', 2), (null, null);
update loose set amount = amount + 1 where name = 'two';
delete from loose where name = 'one';
create table Mixed_Case (The_ID int primary key, first_name varchar(20), lastName varchar(20), b bigint);
insert into Mixed_Case values (1, 'Ada', 'L', 5), (2, null, 'T', null);
update Mixed_Case set The_ID = 3 where first_name is null;

-- @conn
use shop;
start transaction;
insert into pairs values ('t', 10, 'in a transaction');
insert into loose values ('three', 3);
update orders set a = 78 where id = 77;
update Mixed_Case set b = b + 1 where The_ID = 1;
delete from pairs where b = 10;
commit;
create table unsafe (id int primary key, name varchar(20)) engine=MyISAM;
insert into unsafe values (1, 'no transaction'), (2, null);
update unsafe set name = 'changed' where id = 2;
delete from unsafe where id = 1;
alter table pairs add column extra int unsigned not null default 7 first, add key (name);
insert into pairs values (8, 'after', 20, 'alter');
alter table loose add column id int not null auto_increment primary key;
insert into loose (name, amount) values ('with a key', 1);
rename table Mixed_Case to Renamed_Case;
insert into Renamed_Case values (4, 'Grace', 'H', 1);

-- @conn
create database kinds character set latin1;
use kinds;
create table latin (id varchar(20) character set latin1 primary key, b int);
insert into latin values ('decaf', 1), ('café', 2), ('ÄÖÜ', 3), ('', 4);
update latin set b = 20 where b = 2;
create table wide (id varchar(20) character set utf16 primary key, name varchar(20) character set sjis);
insert into wide values ('東京 😀', '東京'), ('é', 'ｶﾅ'), ('plain', null);
delete from wide where id = 'é';
create table koi (id varchar(20) character set cp1251 primary key, name varchar(20) character set gbk);
insert into koi values ('Привет', '中文'), ('мир', null);
create table times (d date not null, dt datetime(6) not null, ts timestamp(3) not null, y year not null, name varchar(10), primary key (d, dt, ts, y));
set time_zone = '+00:00';
insert into times values ('2026-02-28', '2026-02-28 01:02:03.000001', '2001-01-01 00:00:01.5', 1999, 'a'), ('1999-12-31', '9999-12-31 23:59:59', '2038-01-19 03:14:07', 2155, null);
update times set y = 2000 where name = 'a';
set sql_mode = '';
insert into times values ('0000-00-00', '0000-00-00 00:00:00', '0000-00-00 00:00:00', 1901, 'zero');
set sql_mode = default;
create table amounts (id decimal(30,10) primary key, a decimal(5,0), b double);
insert into amounts values (1.5, 99999, 0.1), (-12345678901234567890.0123456789, -1, 1e300), (0, 0, -1.5e-7), (100, 1, 12345678.9);
create table doubles (id double primary key, b float);
insert into doubles values (0.1, 0.1), (1e21, 1e10), (-1e-5, 16777216), (123456789, 3.4e38), (1, null);
create table small (id tinyint, a smallint unsigned, b mediumint, primary key (id, a, b));
insert into small values (-128, 65535, -8388608), (127, 0, 8388607);
create table bytes (id varbinary(8) primary key, name tinyblob, b bit(9));
insert into bytes values (x'00ff80', x'00', b'1'), (x'', x'c3a9', b'100000001'), ('text', null, null);
delete from bytes where id = 'text';
create table labels (id enum('small', 'größer', 'last') primary key, a int);
insert into labels values ('small', 1), ('größer', 2), ('last', 3);
create table long_keys (id varchar(700) character set utf8mb4 primary key, b int);
insert into long_keys values (repeat('0123456789ä', 60), 1), (repeat('😀', 100), 2);

-- @conn
create database sets;
use sets;
create table marks (id set('a', 'b', 'c d') not null, a int, primary key (id));
insert into marks values ('a', 1), ('a,c d', 2), ('', 3);
update marks set id = 'a,b' where a = 1;
create database odd character set utf8mb3;
use odd;
create table `größe 東` (`Schlüssel` int primary key, `odd name` varchar(20), name varchar(20));
insert into `größe 東` values (1, 'é', 'n'), (2, null, null);
update `größe 東` set `Schlüssel` = 3 where `Schlüssel` = 2;
create table `a$b\1` (id int primary key, `quote"name` int);
insert into `a$b\1` values (1, 2);
alter table `a$b\1` add column name varchar(10);
insert into `a$b\1` values (2, 3, 'x');
create table `no key, %{table}` (name varchar(10), b int);
insert into `no key, %{table}` values ('x', 1), (null, null);
drop table `no key, %{table}`;

-- @conn
create database quirks;
use quirks;
create table `time` (id time(3) primary key, b int);
insert into `time` values ('-838:59:59', 1), ('25:00:00.125', 2), ('12:00:00', 3);
create table `binary padding` (id binary(4) primary key, b int);
insert into `binary padding` values (x'01', 1), (x'00000000', 2), (x'01020304', 3);
create table `bit` (id bit(64) primary key, b int);
insert into `bit` values (4294967296, 1), (5, 2), (2147483648, 3);
create table `zerofill` (id int zerofill primary key, b int);
insert into `zerofill` values (4294967295, 1), (7, 2);
create table `year 0000` (id year primary key, b int);
create table `impossible day` (id date primary key, b int);
create table `enum index 0` (id int primary key, name enum('x', 'y'));
create table `label quotes` (id enum('it''s', 'plain') primary key, b int);
insert into `label quotes` values ('it''s', 1), ('plain', 2);
create table `charset` (id varbinary(10) primary key, name varchar(10) character set latin1);
insert into `charset` values ('81', _latin1 x'61817a'), ('e9', _latin1 x'e9');
set sql_mode = 'allow_invalid_dates';
insert into `year 0000` values (0, 1), (2026, 2);
insert into `impossible day` values ('2010-02-31', 1), ('2010-02-28', 2);
set sql_mode = '';
insert into `enum index 0` values (1, 'none of these'), (2, 'x');
set sql_mode = default;

-- @conn
use shop;
drop table unsafe;
alter database shop character set latin1;
create table loose_too like loose;
truncate table loose_too;
create view names as select name from loose;
drop database kinds;
create database finish;
create table finish.finish (id int primary key);
insert into finish.finish values (1);
