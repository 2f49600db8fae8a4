-- Where accounts and stream keys were used from: guesses from elsewhere keep nobody out, also after a restart, and an owner
-- learns when a key is used from a new place.

CREATE TABLE user_networks (
	user_name text NOT NULL REFERENCES users (name) ON UPDATE CASCADE ON DELETE CASCADE,
	-- HMAC-SHA-256 of the address group under the server's secret: no address is stored.
	network_hash bytea NOT NULL,
	first_used_at timestamptz NOT NULL,
	last_used_at timestamptz NOT NULL,
	PRIMARY KEY (user_name, network_hash)
);
CREATE INDEX user_networks_last_used_at_idx ON user_networks (last_used_at);

CREATE TABLE stream_key_networks (
	stream_key_id text NOT NULL REFERENCES stream_keys (id) ON DELETE CASCADE,
	network_hash bytea NOT NULL,
	first_used_at timestamptz NOT NULL,
	last_used_at timestamptz NOT NULL,
	PRIMARY KEY (stream_key_id, network_hash)
);
CREATE INDEX stream_key_networks_last_used_at_idx ON stream_key_networks (last_used_at);
