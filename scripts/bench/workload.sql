-- The orders workload: call load_batches(2000) makes 2,000,000 rows in transactions of 1,000; call load_singles(300000) makes single-row transactions.
create database shop;
use shop;

create table orders (
  id bigint unsigned not null auto_increment primary key,
  user_id int not null,
  sku varchar(64) not null,
  qty int not null,
  price decimal(10,2) not null,
  note varchar(255),
  created_at datetime(6) not null,
  updated_at timestamp null,
  status enum('new', 'paid', 'shipped'),
  key (user_id)
);

create table seq1000 (n int primary key);
insert into seq1000 with recursive s as (select 1 n union all select n + 1 from s where n < 1000) select n from s;

delimiter //
create procedure load_batches(batches int)
begin
  declare i int default 0;
  while i < batches do
    insert into orders (user_id, sku, qty, price, note, created_at, updated_at, status)
      select (i * 1000 + n) * 7919 % 1000003, concat('sku-', (i * 31 + n) % 50000), n % 9 + 1, (n * 37 % 100000) / 100,
        concat('note for order ', i, ' line ', n, ' lorem ipsum dolor sit amet'), now(6), now(), elt(n % 3 + 1, 'new', 'paid', 'shipped')
      from seq1000;
    set i = i + 1;
  end while;
end//

create procedure load_singles(singles int)
begin
  declare i int default 0;
  while i < singles do
    insert into orders (user_id, sku, qty, price, note, created_at, updated_at, status)
      values (i * 7919 % 1000003, concat('sku-', i % 50000), i % 9 + 1, (i * 37 % 100000) / 100,
        concat('note for order ', i, ' lorem ipsum dolor sit amet'), now(6), now(), 'paid');
    set i = i + 1;
  end while;
end//
delimiter ;

-- for the latency part
create database lat;
create table lat.t (id bigint auto_increment primary key, n varchar(40), f varchar(100));
