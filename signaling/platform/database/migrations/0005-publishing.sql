-- Whom an administrator has approved for publishing; counts where accounts.whoMayPublish says so, and for reserved room.

ALTER TABLE users ADD COLUMN is_publishing_approved boolean NOT NULL DEFAULT false;
