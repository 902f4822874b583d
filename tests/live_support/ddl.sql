-- Changes of definitions for the comparison of DDL messages with Maxwell: names that pass a filter and names that do not.
-- One statement ends at each semicolon at a line's end.

create database other_side character set utf8mb4;
create table other_side.inside (id int primary key, w varchar(10));
create table kinds.keep_a (id int unsigned not null, w varchar(10) character set latin1, d datetime(3), e enum('a', 'b'), primary key (id));
insert into kinds.keep_a (id, w) values (1, 'a');
rename table kinds.keep_a to kinds.drop_b;
alter table kinds.drop_b add column more int;
rename table kinds.drop_b to kinds.drop_c;
rename table kinds.drop_c to kinds.keep_d;
rename table kinds.keep_d to other_side.keep_e;
rename table other_side.keep_e to kinds.keep_f;
insert into kinds.keep_f (id, w, more) values (2, 'f', 2);
alter table kinds.keep_f add index by_word (w);
create index by_more on kinds.keep_f (more);
alter table kinds.keep_f drop primary key, add primary key (id, e), convert to character set utf8mb4;
create table kinds.drop_g (id int primary key);
drop table kinds.drop_g;
drop table kinds.keep_f;
alter database other_side character set latin1;
drop database other_side;
