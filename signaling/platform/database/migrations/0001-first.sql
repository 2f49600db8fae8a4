-- Channels, their keys and broadcasts, accounts, the outbox of events for others, and the log of what viewers went through.

CREATE TABLE channels (
	id text PRIMARY KEY,
	-- Lower case; part of addresses.
	name text NOT NULL CONSTRAINT channels_name_key UNIQUE CHECK (name = lower(name)),
	title text NOT NULL DEFAULT '',
	category text,
	-- Who may watch and in which tier; empty means the server's defaults.
	policy jsonb NOT NULL DEFAULT '{}',
	-- NULL means the server's default.
	grace_window_seconds integer CHECK (grace_window_seconds BETWEEN 0 AND 1800),
	created_at timestamptz NOT NULL
);

CREATE TABLE stream_keys (
	id text PRIMARY KEY,
	channel_id text NOT NULL REFERENCES channels (id) ON DELETE CASCADE,
	-- What its owner calls it.
	name text NOT NULL,
	-- HMAC-SHA-256 of the key under the server's secret: the key itself is stored nowhere.
	key_hash bytea NOT NULL CONSTRAINT stream_keys_key_hash_key UNIQUE,
	-- First characters, by which its owner recognises it; empty for keys too short to give any away.
	key_prefix text NOT NULL,
	created_at timestamptz NOT NULL,
	revoked_at timestamptz
);
CREATE INDEX stream_keys_channel_id_idx ON stream_keys (channel_id);

CREATE TABLE broadcasts (
	id text PRIMARY KEY,
	channel_id text NOT NULL REFERENCES channels (id) ON DELETE CASCADE,
	started_at timestamptz NOT NULL,
	-- NULL while it lives.
	ended_at timestamptz,
	end_reason text,
	-- Tells a restarted server how long the publisher of an unfinished broadcast has been gone.
	last_media_at timestamptz
);
CREATE INDEX broadcasts_channel_id_idx ON broadcasts (channel_id, started_at);
CREATE INDEX broadcasts_unfinished_idx ON broadcasts (channel_id) WHERE ended_at IS NULL;

CREATE TABLE users (
	id text PRIMARY KEY,
	-- Lower case.
	name text NOT NULL CONSTRAINT users_name_key UNIQUE CHECK (name = lower(name)),
	-- Algorithm, its parameters, salt and hash, in one text.
	password_hash text NOT NULL,
	role text NOT NULL CHECK (role IN ('admin', 'member')),
	created_at timestamptz NOT NULL
);

-- Events that others are told of, written in the transaction that made them true.
CREATE TABLE outbox (
	id text PRIMARY KEY,
	kind text NOT NULL,
	payload jsonb NOT NULL,
	created_at timestamptz NOT NULL,
	delivered_at timestamptz
);
CREATE INDEX outbox_undelivered_idx ON outbox (id) WHERE delivered_at IS NULL;

CREATE TABLE viewer_events (
	id text PRIMARY KEY,
	viewer_id text NOT NULL,
	channel_id text NOT NULL REFERENCES channels (id) ON DELETE CASCADE,
	-- join, tier, switch, stall, latency, leave.
	kind text NOT NULL,
	payload jsonb NOT NULL,
	at timestamptz NOT NULL
);
CREATE INDEX viewer_events_channel_id_idx ON viewer_events (channel_id, at);
CREATE INDEX viewer_events_viewer_id_idx ON viewer_events (viewer_id, at);
