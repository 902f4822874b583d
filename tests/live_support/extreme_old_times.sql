-- Dates and times in the formats before MySQL 5.6, which MariaDB can still make. One statement ends at each semicolon at a line's end.

set global mysql56_temporal_format = off;
create table kinds.old_times (id int not null primary key, t time, dt datetime, ts timestamp null);
set global mysql56_temporal_format = on;
insert into kinds.old_times values (1, '-838:59:59', '0000-00-00 00:00:00', 0), (2, '838:59:59', '1000-01-01', '1970-01-02 00:00:01'), (3, '-00:00:01', '9999-12-31 23:59:59', '2038-01-19 03:14:07'),
  (4, '24:00:00', '2010-00-05 10:11:12', '2024-02-29 12:00:00'), (5, '-25:30:45', '1582-10-10 01:02:03', null), (6, '12:34:56', '1582-10-04 23:59:59', null), (7, null, null, null);
update kinds.old_times set t = '36:34:56' where id = 6;
