-- Recordings: one video for each broadcast, its tracks, and the journal with one row for each segment.

-- NULL: on for approved accounts and administrators, off for others.
ALTER TABLE channels ADD COLUMN is_recorded boolean;

CREATE TABLE videos (
	id text PRIMARY KEY,
	channel_id text NOT NULL REFERENCES channels (id) ON DELETE CASCADE,
	-- The broadcast's own row is written on another way and may come later.
	broadcast_id text NOT NULL CONSTRAINT videos_broadcast_id_key UNIQUE,
	title text NOT NULL,
	category text,
	visibility text NOT NULL CHECK (visibility IN ('public', 'unlisted', 'private')),
	-- Part of the addresses of its media: 128 random bits. Replaced when the visibility changes.
	path_secret text NOT NULL CONSTRAINT videos_path_secret_key UNIQUE,
	-- Each take-over of the recording raises it; rows of a former owner are refused.
	owner_epoch integer NOT NULL DEFAULT 1,
	started_at timestamptz NOT NULL,
	-- NULL while it is being recorded.
	ended_at timestamptz,
	duration_seconds double precision NOT NULL DEFAULT 0,
	missing_seconds double precision NOT NULL DEFAULT 0,
	size_bytes bigint NOT NULL DEFAULT 0,
	is_kept boolean NOT NULL DEFAULT false,
	expires_at timestamptz,
	-- Set first; a job deletes the objects and then the row.
	deleted_at timestamptz
);
CREATE INDEX videos_channel_id_idx ON videos (channel_id, id);
CREATE INDEX videos_unfinished_idx ON videos (id) WHERE ended_at IS NULL;
CREATE INDEX videos_expires_at_idx ON videos (expires_at) WHERE deleted_at IS NULL;

-- One row for each init segment: what a track was from there on.
CREATE TABLE video_inits (
	video_id text NOT NULL REFERENCES videos (id) ON DELETE CASCADE,
	track_id text NOT NULL,
	-- Its file name.
	name text NOT NULL,
	-- Facts of the track, as JSON: kind, codec, size, channels, rung.
	facts jsonb NOT NULL,
	PRIMARY KEY (video_id, track_id, name)
);

-- The journal. Playlists, clips and exports are views of it.
CREATE TABLE video_segments (
	video_id text NOT NULL REFERENCES videos (id) ON DELETE CASCADE,
	track_id text NOT NULL,
	media_sequence integer NOT NULL,
	-- Counts up at each discontinuity.
	run integer NOT NULL,
	-- NULL for a gap before anything was received.
	init_name text,
	-- On the broadcast's timeline.
	start_seconds double precision NOT NULL,
	duration_seconds double precision NOT NULL,
	-- Epoch milliseconds.
	captured_at_ms bigint NOT NULL,
	-- Why there are no bytes: 'away' (nothing was received), 'not-stored' (no room), 'lost' (found missing later).
	gap text CHECK (gap IN ('away', 'not-stored', 'lost')),
	size_bytes integer NOT NULL,
	-- SHA-256; empty for a gap.
	hash bytea NOT NULL,
	PRIMARY KEY (video_id, track_id, media_sequence)
);

-- Addresses that were valid once: they answer 410, so that caches and links learn it.
CREATE TABLE retired_path_secrets (
	path_secret text PRIMARY KEY,
	retired_at timestamptz NOT NULL
);
