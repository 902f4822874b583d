-- What the demo's shop does. The two figures are checked against the topic.
-- messages: 20
-- transactions: 10

-- 1. a database with three tables
create database shop character set utf8mb4;
use shop;
create table customers (
  id int unsigned not null auto_increment primary key,
  name varchar(100) not null,
  email varchar(100),
  born date,
  created_at timestamp not null default current_timestamp
);
create table orders (
  id bigint unsigned not null auto_increment primary key,
  customer_id int unsigned not null,
  total decimal(10,2) not null,
  status enum('new', 'paid', 'shipped') not null default 'new',
  placed_at datetime(3) not null,
  key (customer_id)
);
create table order_items (
  order_id bigint unsigned not null,
  line smallint not null,
  sku varchar(40) not null,
  quantity int not null,
  details json,
  primary key (order_id, line)
);

-- 2. three customers in one statement, a fourth in another (4 messages)
insert into customers (name, email, born, created_at) values
  ('Ada Lovelace', 'ada@example.org', '1815-12-10', '2026-01-02 03:04:05'),
  ('Grace Hopper', null, '1906-12-09', '2026-01-02 03:04:06'),
  ('Jürgen Groß', 'juergen@example.org', null, '2026-01-02 03:04:07');
insert into customers (name, created_at) values ('In Transit', '2026-01-02 03:04:08');

-- 3. an order with its lines: one transaction over two tables (4 messages)
start transaction;
insert into orders (customer_id, total, placed_at) values (1, 59.90, '2026-01-02 10:00:00.125');
insert into order_items values
  (1, 1, 'TEA-100', 2, '{"grade": "FTGFOP", "organic": true}'),
  (1, 2, 'CUP-7', 1, null),
  (1, 3, 'SPOON-1', 1, '[1, 2.5, "três"]');
commit;

-- 4. an order that is rolled back (nothing)
start transaction;
insert into orders (customer_id, total, placed_at) values (2, 1000000.00, '2026-01-02 10:30:00');
insert into order_items values (2, 1, 'never sold', 1, null);
rollback;

-- 5. a second order, then payment and dispatch (5 messages)
start transaction;
insert into orders (id, customer_id, total, placed_at) values (10, 3, 7.00, '2026-01-02 11:00:00');
insert into order_items values (10, 1, 'TEA-5', 1, null);
commit;
update orders set status = 'paid' where id = 1;
update orders set status = 'shipped' where status <> 'shipped';

-- 6. a column more, and an order that uses it (2 messages)
alter table orders add column note varchar(200) after total;
insert into orders (id, customer_id, total, note, placed_at) values (11, 1, 3.50, 'ring twice', '2026-01-02 12:00:00');
insert into order_items values (11, 1, 'TEA-1', 1, null);

-- 7. corrections: a line fewer, quantities changed, a customer leaves (5 messages)
delete from order_items where order_id = 1 and line = 3;
start transaction;
update order_items set quantity = quantity + 1 where order_id in (1, 10);
delete from customers where id = 4;
commit;
