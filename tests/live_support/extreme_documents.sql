-- Extremes of JSON documents, for MySQL. One statement ends at each semicolon at a line's end.

create table kinds.json_extremes (id int not null primary key, doc json);
insert into kinds.json_extremes values
  (1, '[0, -1, 127, 32767, 32768, 65535, 65536, 2147483647, 2147483648, 3000000000, 4294967295, 4294967296, -2147483648, -2147483649, 9223372036854775807, 18446744073709551615]'),
  (2, '[0.0, -0.0, 1e7, 1e-5, 12345678.9, 1.7976931348623157e308, 4.9e-324, 0.001, 9999999.5, 2e23]'),
  (3, json_array(cast('-01:30:00' as time), cast('-838:59:59' as time), cast('838:59:59' as time), cast('-00:00:00.5' as time(6)), cast('12:34:56.000100' as time(6)))),
  (4, json_array(cast('9999-12-31 23:59:59.999999' as datetime(6)), cast('2519-12-31 23:59:59' as datetime), cast('2521-06-01 01:02:03' as datetime), cast('1000-01-01' as date), cast('9999-12-31' as date))),
  (5, json_object('b', x'00ff10', 'bit', b'101', 'd', cast(-0.001 as decimal(10,3)), 'long', repeat('x', 70000))),
  (6, null), (7, 'null'), (8, '{"é😀": "\\u0001\\u001f\\"\\\\/"}');
update kinds.json_extremes set doc = '[4294967295]' where id = 1;
update kinds.json_extremes set doc = json_array(cast('-00:00:01' as time)) where id = 3;
