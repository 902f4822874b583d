-- Extremes of every type, for the comparison with Maxwell under maxwell_quirks: also where Maxwell is wrong, but nothing that ends
-- it. Runs on MySQL 5.6 to 9.7 and MariaDB. One statement ends at each semicolon at a line's end.

set sql_mode = '';
create database kinds character set utf8mb4;
use kinds;

create table integers (
  id int not null primary key,
  t tinyint, tu tinyint unsigned, tz tinyint zerofill, s smallint, su smallint unsigned, sz smallint(3) zerofill,
  m mediumint, mu mediumint unsigned, mz mediumint zerofill, i int, iu int unsigned, iz int(7) unsigned zerofill,
  b bigint, bu bigint unsigned, bz bigint zerofill
);
insert into integers values
  (1, -128, 0, 0, -32768, 0, 0, -8388608, 0, 0, -2147483648, 0, 0, -9223372036854775808, 0, 0),
  (2, 127, 255, 255, 32767, 65535, 65535, 8388607, 16777215, 16777215, 2147483647, 4294967295, 4294967295, 9223372036854775807,
    18446744073709551615, 18446744073709551615),
  (3, -1, 128, 128, -1, 32768, 32768, -1, 8388608, 8388608, -1, 2147483648, 2147483648, -1, 9223372036854775808, 9223372036854775808),
  (4, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null);
update integers set tz = 127, sz = 32767, mz = 8388607, iz = 2147483647, bz = 9223372036854775807 where id = 2;
update integers set tz = null where id = 3;
delete from integers where id = 4;
alter table integers add extra int(4) zerofill, modify iz int(7) zerofill;
update integers set extra = 4000000000 where id = 1;

create table bits (
  id int not null primary key, b1 bit(1), b7 bit(7), b8 bit(8), b9 bit(9), b31 bit(31), b32 bit(32), b33 bit(33), b48 bit(48), b63 bit(63), b64 bit(64)
);
insert into bits values (1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0),
  (2, 1, 127, 255, 511, 0x7fffffff, 0xffffffff, 0x1ffffffff, 0xffffffffffff, 0x7fffffffffffffff, 0xffffffffffffffff),
  (3, 1, 64, 128, 256, 0x40000000, 0x80000000, 0x100000000, 0x800000000000, 0x4000000000000000, 0x8000000000000000),
  (4, 1, 1, 2, 3, 4, 0x01020304, 4328719365, 0x010203040506, 0x0102030405060708, 0x0102030405060708),
  (5, null, null, null, null, null, null, null, null, null, null);
update bits set b32 = b32 + 0, b64 = 0x7fffffffffffffff where id in (3, 4);

create table reals (id int not null primary key, f float, g double, f2 float(7,3), f40 float(40), d0 decimal(65,0), d30 decimal(65,30), d7 decimal(12,7));
insert into reals values (1, 3.4028235e38, 1.7976931348623157e308, 9999.999, 1e300, 99999999999999999999999999999999999999999999999999999999999999999,
    99999999999999999999999999999999999.999999999999999999999999999999, 0.0000001),
  (2, 1.4e-45, 4.9e-324, -0.001, 2e23, -1, -0.000000000000000000000000000001, 0), (3, -0.0, -0.0, 0, 1e23, 0, 0, -0.0000010),
  (4, 16777217, 9007199254740993, 0.1, 123456789012345678, 1, 1.5, 12345.6789012), (5, 0.001, 1e7, 1, 9999999.999, null, null, null);

create table moments (
  id int not null primary key, y year, d date, t time, t1 time(1), t3 time(3), t6 time(6), dt datetime, dt2 datetime(2), dt6 datetime(6),
  ts timestamp null, ts4 timestamp(4) null
);
insert into moments values
  (1, 0, '0000-00-00', '-838:59:59', '-838:59:59', '-838:59:58.999', '-838:59:58.999999', '0000-00-00 00:00:00', '0000-00-00', '0000-00-00', 0, 0),
  (2, 1901, '1000-01-01', '838:59:59', '838:59:59', '838:59:58.999', '838:59:58.999999', '1000-01-01', '1000-01-01', '1000-01-01', '1970-01-02 00:00:01', '1970-01-02 00:00:01'),
  (3, 2155, '9999-12-31', '-00:00:01', '-00:00:00.1', '-00:00:00.001', '-00:00:00.000001', '9999-12-31 23:59:59', '9999-12-31 23:59:59.99',
    '9999-12-31 23:59:59.999999', '2038-01-19 03:14:07', '2038-01-19 03:14:07.9999'),
  (4, 1970, '2010-00-05', '24:00:00', '24:00:00.5', '47:59:59.999', '100:00:00.000001', '2010-05-00 10:11:12', '2010-00-00 01:02:03.45', '0001-00-01 23:59:59.5', '2024-02-29 12:00:00', '2024-02-29 12:00:00.5'),
  (5, 2000, '1582-10-10', '-25:30:45', '-25:30:45.6', '-25:30:45.678', '-25:30:45.678901', '1582-10-14 01:02:03', '1582-10-05', '1582-10-15', null, null),
  (6, 2001, '1582-10-04', '-01:00:00', '00:00:00.9', '00:00:00.999', '00:00:00.999999', '1582-10-04 23:59:59', '1500-02-28', '0001-01-01 00:00:00', null, null),
  (7, null, null, null, null, null, null, null, null, null, null, null);
set sql_mode = 'ALLOW_INVALID_DATES';
insert into moments (id, d, dt, dt2) values (8, '2010-02-31', '2011-11-31 12:00:00', '1999-02-30 00:00:00.25'), (9, '1500-02-29', '1700-02-29', '1900-02-31'),
  (10, '2024-04-31', '2023-02-29', '9999-06-31');
set sql_mode = '';
update moments set t = '25:00:00', d = '2010-05-00' where id = 1;
update moments set t = '49:00:00' where id = 1;
update moments set y = 0 where id = 4;

create table bytes (id int not null primary key, b1 binary(1), b10 binary(10), vb varbinary(10), bl blob, cb char(6) character set binary, tb text character set binary);
insert into bytes values (1, '', '', '', '', '', ''), (2, x'00', x'000102', x'000102', x'00', x'00', x'00'), (3, x'ff', x'ff000000000000000000', x'ff00', x'ff00', 'abc', 'abc'),
  (4, 'a', '0123456789', '0123456789', repeat('b', 1000), '123456', 'x');
update bytes set b10 = x'0001020000' where id = 2;

create table labels (
  id int not null primary key, e enum('it''s', 'back\\slash', "double""d", 'tab\tx', 'plain', 'ü', 'a,b', ' lead'), s set('a''b', 'c"d', 'e\\f', 'g'),
  k enum('x', 'y') character set latin1
);
insert into labels values (1, 1, 1, 1), (2, 2, 2, 2), (3, 3, 4, 0), (4, 4, 8, null), (5, 5, 15, 'none'), (6, 6, 0, 'x'), (7, 7, null, 'x'), (8, 8, 3, 'x'), (9, 'nothing', 5, 'y');
update labels set e = 0, s = 0 where id = 1;
update labels set e = 3 where id = 9;

create table charsets (
  id int not null primary key, c_latin1 char(16) character set latin1, c_ascii char(16) character set ascii, c_cp1250 char(16) character set cp1250,
  c_cp1251 char(16) character set cp1251, c_cp1256 char(16) character set cp1256, c_cp1257 char(16) character set cp1257, c_cp850 char(16) character set cp850,
  c_cp852 char(16) character set cp852, c_cp866 char(16) character set cp866, c_greek char(16) character set greek, c_hebrew char(16) character set hebrew,
  c_latin2 char(16) character set latin2, c_latin5 char(16) character set latin5, c_macroman char(16) character set macroman, c_tis620 char(16) character set tis620
);
insert into charsets (id, c_latin1, c_cp1250, c_cp1251, c_cp1256, c_cp1257, c_cp850, c_cp852, c_cp866, c_greek, c_hebrew, c_latin2, c_latin5, c_macroman, c_tis620)
  select 1, c, c, c, c, c, c, c, c, c, c, c, c, c, c from (select x'808182838485868788898a8b8c8d8e8f' as c) as x union all
  select 2, c, c, c, c, c, c, c, c, c, c, c, c, c, c from (select x'909192939495969798999a9b9c9d9e9f' as c) as x union all
  select 3, c, c, c, c, c, c, c, c, c, c, c, c, c, c from (select x'a0a1a2a3a4a5a6a7a8a9aaabacadaeaf' as c) as x union all
  select 4, c, c, c, c, c, c, c, c, c, c, c, c, c, c from (select x'f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff' as c) as x;

create table wide (
  id int not null primary key, c_big5 varchar(20) character set big5, c_cp932 varchar(20) character set cp932, c_euckr varchar(20) character set euckr,
  c_gb2312 varchar(20) character set gb2312, c_gbk varchar(20) character set gbk, c_sjis varchar(20) character set sjis, c_ujis varchar(20) character set ujis,
  c_ucs2 varchar(20) character set ucs2, c_utf16 varchar(20) character set utf16, c_utf32 varchar(20) character set utf32
);
insert into wide values (1, '中文', '日本語①髙', '한국어', '中文', '中文', '日本語', '日本語', '中a', '中😀', '中😀'),
  (2, _big5 x'a15aa1fea240a2ccf9d6', _cp932 x'815f8160817c8740ed40fa55', _euckr x'a2e88141', _gb2312 x'a1a1', _gbk x'a140a2a1a2aba980fe50', _sjis x'815c815f8160', _ujis x'a1bda1c08fa2b7',
    _ucs2 x'feff0041', _utf16 x'feff0041', _utf32 x'0000feff00000041');

create table shapes (id int not null primary key, p point, g geometry);
insert into shapes values (1, st_geomfromtext('POINT(0.30000000000000004 -0.1)'), st_geomfromtext('LINESTRING(1e20 1e-17, 1234567890123456789 2e23)')),
  (2, st_geomfromtext('POINT(1.7976931348623157e308 5e-324)'), st_geomfromtext('MULTIPOINT(0.1 0.2, 123456789.123456789 1e-10)')),
  (3, st_geomfromtext('POINT(-1e-16 1.5e-16)'), st_geomfromtext('GEOMETRYCOLLECTION(POINT(52.516272 13.377722), POLYGON((0 0, 0 1.1, 1 1, 0 0)))'));

create table keyed (id int key, v varchar(10) collate latin1_german1_ci, w text(255)) charset = UTF8MB4;
insert into keyed values (1, 'ä', 'ä'), (2, 'ß', 'x');
alter table keyed convert to character set latin1;
alter table keyed add late varchar(5), add index (v(2));
update keyed set v = 'ö', late = 'é' where id = 1;
create table copied like integers;
insert into copied (id, tz, bz) values (1, 200, 18446744073709551615);
rename table copied to renamed;
insert into renamed (id, iz) values (2, 4000000000);
