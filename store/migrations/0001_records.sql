-- works with: 1
create table PREFIX_records (
	version bigint not null,
	expires bigint not null,
	kind text not null,
	key bytea not null,
	owner bytea not null,
	body bytea not null,
	primary key (kind, key)
);
create index PREFIX_records_owner on PREFIX_records (kind, owner, key) where owner <> '';
create index PREFIX_records_expires on PREFIX_records (expires) where expires < 9223372036854775807;
