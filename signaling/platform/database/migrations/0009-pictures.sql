-- Pictures of videos: file names next to each other in the store.

-- Its poster; NULL: none yet, or a video of sound alone.
ALTER TABLE videos ADD COLUMN poster_name text;
-- Sheets of its storyboard, which is whole; NULL as above.
ALTER TABLE videos ADD COLUMN sheet_count integer;
