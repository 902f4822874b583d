-- JSON, for servers that have the type. One statement ends at each semicolon at a line's end.

create table kinds.documents (id int not null primary key, doc json, note varchar(20));
insert into kinds.documents values
  (1, '{"name": "Zoë", "list": [1, 2.5, true, null, "x"], "deep": {"a": {"b": []}}, "empty": {}}', 'one'),
  (2, '[]', null), (3, '"just text"', null), (4, '12345678', null), (5, null, 'no document'), (6, '{"quote": "a \\"b\\" \\\\ c", "ü": "東京 😀"}', '');
update kinds.documents set doc = '{"changed": [1, 2, 3]}' where id = 1;
update kinds.documents set note = 'same document' where id = 2;
delete from kinds.documents where id = 3;
