-- Jobs replace the outbox, which nothing read. pg-boss keeps its own tables, in the schema "pgboss".

DROP TABLE outbox;
