-- Ordinary types and statements, for the comparison with Maxwell: nothing in which Maxwell is known to be wrong.
-- Runs on MySQL 5.6 to 9.7 and MariaDB. One statement ends at each semicolon at a line's end.

create database kinds character set utf8mb4;
use kinds;
create table numbers (
  id int unsigned not null auto_increment primary key,
  t tinyint, tu tinyint unsigned, s smallint, su smallint unsigned, m mediumint, mu mediumint unsigned,
  i int, iu int unsigned, b bigint, bu bigint unsigned, yes_no bool,
  d2 decimal(10,2), d10 decimal(20,10), d30 decimal(65,30), d0 decimal(5,0),
  f float, g double, y year, one bit(1), bits bit(17)
);
insert into numbers (t, tu, s, su, m, mu, i, iu, b, bu, yes_no, d2, d10, d30, d0, f, g, y, one, bits) values
  (-128, 0, -32768, 0, -8388608, 0, -2147483648, 0, -9223372036854775808, 0, false, -99999999.99, 0, -1.5, -99999, -1.5, -2.25, 1901, b'0', b'0'),
  (127, 255, 32767, 65535, 8388607, 16777215, 2147483647, 4294967295, 9223372036854775807, 18446744073709551615, true,
    99999999.99, 0.0000001, 123456789.000000000000000000000000000001, 99999, 16777216, 1e15, 2155, b'1', b'10101010101010101'),
  (1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 5, 1.1, 1e-9, 0, 0.1, 0.1, 2026, b'1', b'1'),
  (null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null);
insert into numbers (f, g) values (0, 0), (3.402823e38, 1.7976931348623157e308), (1.17549435e-38, 2.2250738585072014e-308), (0.001, 1e7), (1e-4, 123456789.125);
update numbers set t = t + 1, g = g * 2 where id in (1, 3);
update numbers set d2 = null, y = 1970 where id = 2;
update numbers set i = i where id = 3;
delete from numbers where id = 4;

create table texts (
  id bigint not null primary key,
  c char(10), v varchar(200), l varchar(50) character set latin1, a varchar(50) character set ascii, u varchar(50) character set utf8,
  tt tinytext, tx text, mt mediumtext, lt longtext,
  bv varbinary(20), tb tinyblob, bb blob, mb mediumblob, lb longblob,
  e enum('small', 'größer', 'last'), s set('a', 'b', 'ç', 'd e')
);
insert into texts values
  (1, 'abc', 'plain', 'café', 'ascii', 'größe', 'tiny', 'text', 'medium', 'long', x'00010203', x'ff', 'blob', x'deadbeef', 'x', 'größer', 'a,ç'),
  (2, '', '', '', '', '', '', '', '', '', '', '', '', '', '', 'small', ''),
  (3, 'x  ', 'quote " backslash \\ slash / tab \t newline \n return \r bell \b', '€', 'q', '東京', null, '😀 and é', null, 'line one\nline two', x'80', null, x'', null, x'00', 'last', 'a,b,ç,d e'),
  (4, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null);
insert into texts (id, lt, lb) values (5, repeat('0123456789ä', 10000), repeat('b', 50000));
update texts set v = concat(v, '!'), e = 'small' where id in (1, 3);
update texts set s = 'b' where id = 2;
update texts set id = 40 where id = 4;

create table times (
  id int not null primary key,
  d date, t time, t3 time(3), t6 time(6), dt datetime, dt3 datetime(3), dt6 datetime(6),
  ts timestamp null, ts3 timestamp(3) null, ts6 timestamp(6) null
);
insert into times values
  (1, '2026-02-28', '00:00:00', '12:34:56.789', '23:59:59.999999', '2026-02-28 01:02:03', '1999-12-31 23:59:59.999', '2038-01-19 03:14:07.000001',
    '2001-01-01 00:00:01', '2026-07-01 12:00:00.5', '2026-07-01 12:00:00.000001'),
  (2, '9999-12-31', '12:00:00', '00:00:00', '00:00:00', '9999-12-31 23:59:59', '1600-01-01 00:00:00', '1583-01-01 00:00:00', null, null, null),
  (3, null, null, null, null, null, null, null, null, null, null);
set sql_mode = '';
insert into times (id, d, dt, dt3) values (4, '0000-00-00', '0000-00-00 00:00:00', '0000-00-00 00:00:00');
set sql_mode = default;
update times set d = '2024-02-29', dt6 = '2024-02-29 12:00:00.120000' where id = 3;
delete from times where id = 1;

create table pairs (a varchar(20) not null, b int not null, note varchar(20), primary key (b, a));
insert into pairs values ('x', 1, 'one'), ('ü', 2, null), ('z', 3, 'three');
update pairs set a = 'y' where b = 1;
replace into pairs values ('z', 3, 'THREE'), ('new', 4, 'four');
insert into pairs values ('z', 3, 'dup') on duplicate key update note = 'on duplicate';
create table loose (name varchar(20), amount int);
insert into loose values ('one', 1), ('two', 2), ('two', 2);
update loose set amount = amount + 1 where name = 'two';
delete from loose where name = 'one' limit 1;

create table Mixed_Case_Table (the_id int primary key, first_name varchar(20), `odd name` int, `Größe` int);
insert into Mixed_Case_Table values (1, 'Ada', 1, 2);
update Mixed_Case_Table set `Größe` = 3, first_name = null;

start transaction;
insert into pairs values ('t', 10, 'in a transaction');
insert into loose values ('three', 3);
savepoint one;
insert into loose values ('rolled back', 0);
rollback to savepoint one;
update numbers set i = 77 where id = 3;
delete from pairs where b = 10;
commit;
start transaction;
insert into loose values ('never', 0);
rollback;

create table many (id int not null auto_increment primary key, x int, pad varchar(100)) character set latin1;
insert into many (x, pad) values (1, 'a'), (2, 'b'), (3, 'c'), (4, 'd');
insert into many (x, pad) select x + 10, repeat(pad, 50) from many;
insert into many (x, pad) select x + 20, pad from many;
insert into many (x, pad) select x + 40, pad from many;
insert into many (x, pad) select x + 80, pad from many;
update many set x = x * 2 where id % 3 = 0;
delete from many where id > 40;

alter table pairs add column extra int unsigned not null default 4000000000 after a, add column last text;
insert into pairs (a, b, note, last) values ('after', 20, 'alter', 'ß');
alter table pairs change column note remark varchar(200) character set latin1, drop column last;
insert into pairs (a, b, remark) values ('again', 21, 'naïve');
alter table pairs modify column extra bigint unsigned first;
update pairs set extra = 18446744073709551615 where b > 19;
create table copied like pairs;
insert into copied select * from pairs;
rename table copied to renamed;
insert into renamed (a, b) values ('renamed', 30);
drop table renamed;
create database others character set latin1;
create table others.one (id int primary key, word varchar(10));
insert into others.one values (1, 'é');
alter table others.one modify column word varchar(20) character set utf8mb4;
insert into others.one values (2, '東');
drop database others;
