-- Rows for the tables of captured.sql. One statement ends at each semicolon at a line's end.

use kinds;
insert into captured values (1, 255, 4294967295, 18446744073709551615, 18446744073709551615, x'8081', 'ä', 1, 1, x'00'), (2, 1, 1, 1, 1, 'é', 'ß', 2, 2, 'abcd'),
  (3, 128, 2147483648, 1, 9223372036854775808, '', '', 3, 7, x'ff'), (4, null, null, null, null, null, null, 4, 0, null), (5, 0, 0, 0, 0, 'x', 'y', 5, 4, ''), (6, 0, 0, 0, 0, 'x', 'y', 6, 4, '');
update captured set iz = iz - 1, e = 1 where id in (1, 3);
alter table captured add more int zerofill, add f enum('it''s');
update captured set more = 4000000000, f = 1 where id = 2;
insert into cut values (1, 1, 1), (2, 2, 2), (3, 3, 1);
create table copied like captured;
insert into copied (id, iz, more) values (1, 4000000000, 4000000000);
insert into untouched values (4000000000, 1);
alter table untouched add note varchar(5);
