-- Accounts that sign in: roles, sessions, owners and moderators of channels, settings of their chats.

-- 'member' was the role of those who stream; viewers and moderators of the whole site are new.
ALTER TABLE users DROP CONSTRAINT users_role_check;
UPDATE users SET role = 'streamer' WHERE role = 'member';
ALTER TABLE users ADD CONSTRAINT users_role_check CHECK (role IN ('viewer', 'streamer', 'moderator', 'admin'));

ALTER TABLE channels ADD COLUMN owner_id text REFERENCES users (id) ON DELETE SET NULL;
-- Slow mode, who may write, blocked words; empty means the defaults.
ALTER TABLE channels ADD COLUMN chat jsonb NOT NULL DEFAULT '{}';
CREATE INDEX channels_owner_id_idx ON channels (owner_id);
CREATE INDEX channels_category_idx ON channels (lower(category));
UPDATE channels SET owner_id = (SELECT id FROM users WHERE name = 'admin' AND role = 'admin') WHERE name = 'demo';

-- People who moderate one channel's chat.
CREATE TABLE channel_moderators (
	channel_id text NOT NULL REFERENCES channels (id) ON DELETE CASCADE,
	user_id text NOT NULL REFERENCES users (id) ON DELETE CASCADE,
	created_at timestamptz NOT NULL,
	PRIMARY KEY (channel_id, user_id)
);
CREATE INDEX channel_moderators_user_id_idx ON channel_moderators (user_id);

-- One row for each log-in: the family of all refresh tokens that followed from it.
CREATE TABLE sessions (
	id text PRIMARY KEY,
	user_id text NOT NULL REFERENCES users (id) ON DELETE CASCADE,
	-- HMAC-SHA-256 of the token that is valid now, and of the one that it replaced.
	token_hash bytea NOT NULL,
	previous_token_hash bytea,
	rotated_at timestamptz NOT NULL,
	created_at timestamptz NOT NULL,
	expires_at timestamptz NOT NULL,
	ended_at timestamptz,
	-- logged-out, token-reused, too-many-sessions.
	end_reason text
);
CREATE INDEX sessions_user_id_idx ON sessions (user_id, id);
