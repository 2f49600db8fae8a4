-- Clips: views of the journal of a recording, and what viewers report of them.

-- Windows of a recording are read by their time.
CREATE INDEX video_segments_start_seconds_idx ON video_segments (video_id, start_seconds);

-- Its time is over, and it is deleted; what clips need of it is still there.
ALTER TABLE videos ADD COLUMN has_clips boolean NOT NULL DEFAULT false;

CREATE TABLE clips (
	id text PRIMARY KEY,
	channel_id text NOT NULL REFERENCES channels (id) ON DELETE CASCADE,
	-- Whose media it shows. A video that is deleted stays as long as it has clips.
	video_id text NOT NULL REFERENCES videos (id) ON DELETE CASCADE,
	-- NULL when the account is gone.
	creator_id text REFERENCES users (id) ON DELETE SET NULL,
	title text NOT NULL,
	category text,
	created_at timestamptz NOT NULL,
	-- When the picture that it was made at was captured: epoch milliseconds, by one of two clocks.
	asked_ms double precision NOT NULL,
	asked_clock text NOT NULL CHECK (asked_clock IN ('picture', 'date')),
	-- False while the segment with that picture is not recorded: until then both ends below are estimates.
	is_settled boolean NOT NULL,
	-- When its first picture was captured.
	started_at timestamptz NOT NULL,
	-- On the broadcast's timeline: the clip, and what it can be trimmed from.
	start_seconds double precision NOT NULL,
	end_seconds double precision NOT NULL,
	source_start_seconds double precision NOT NULL,
	source_end_seconds double precision NOT NULL,
	-- Likewise: where the playlists of the two, and that of the video begin.
	origin_seconds double precision NOT NULL,
	source_origin_seconds double precision NOT NULL,
	video_origin_seconds double precision NOT NULL,
	-- Between two pictures.
	frame_seconds double precision NOT NULL,
	-- Parts of addresses, 128 random bits each: of the clip, which each trim replaces, and of what it is trimmed from.
	path_secret text NOT NULL CONSTRAINT clips_path_secret_key UNIQUE,
	source_secret text NOT NULL CONSTRAINT clips_source_secret_key UNIQUE,
	-- Trims so far. Names of objects have it, because names are written once.
	trim_number integer NOT NULL DEFAULT 0,
	-- Of this trim: there is a picture; its MP4 file, with its size and when it was asked for.
	has_poster boolean NOT NULL DEFAULT false,
	export_state text NOT NULL DEFAULT 'none' CHECK (export_state IN ('none', 'making', 'ready', 'failed')),
	export_asked_at timestamptz,
	export_bytes bigint NOT NULL DEFAULT 0,
	-- Set first; a job deletes the objects and then the row.
	deleted_at timestamptz
);
CREATE INDEX clips_channel_id_idx ON clips (channel_id, id);
CREATE INDEX clips_video_id_idx ON clips (video_id);
CREATE INDEX clips_creator_id_idx ON clips (creator_id, created_at);

-- Each user reports a clip once.
CREATE TABLE clip_reports (
	clip_id text NOT NULL REFERENCES clips (id) ON DELETE CASCADE,
	user_id text NOT NULL REFERENCES users (id) ON DELETE CASCADE,
	reason text NOT NULL,
	reported_at timestamptz NOT NULL,
	PRIMARY KEY (clip_id, user_id)
);
