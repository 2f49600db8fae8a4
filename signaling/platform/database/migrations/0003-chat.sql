-- Chat: who may not write in a channel, and the tokens by which bots and chat programs sign in over IRC.

CREATE TABLE chat_restrictions (
	id text PRIMARY KEY,
	channel_id text NOT NULL REFERENCES channels (id) ON DELETE CASCADE,
	-- "user:<id>", or "guest:<hash of the address under the server's secret>": no address is stored.
	subject text NOT NULL,
	-- The name under which the author was known then, lower case; a moderator releases by it.
	author_name text NOT NULL,
	-- NULL when the account is gone.
	moderator_id text REFERENCES users (id) ON DELETE SET NULL,
	created_at timestamptz NOT NULL,
	-- NULL: banned for good.
	expires_at timestamptz,
	CONSTRAINT chat_restrictions_subject_key UNIQUE (channel_id, subject)
);
CREATE INDEX chat_restrictions_author_name_idx ON chat_restrictions (channel_id, author_name);

CREATE TABLE chat_tokens (
	id text PRIMARY KEY,
	user_id text NOT NULL REFERENCES users (id) ON DELETE CASCADE,
	-- What its owner calls it.
	name text NOT NULL,
	-- SHA-256 of the token, which has 160 random bits; the token itself is stored nowhere.
	token_hash bytea NOT NULL CONSTRAINT chat_tokens_token_hash_key UNIQUE,
	created_at timestamptz NOT NULL
);
CREATE INDEX chat_tokens_user_id_idx ON chat_tokens (user_id);
