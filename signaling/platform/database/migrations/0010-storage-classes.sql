-- Videos move into a cheaper storage class of S3 when they are old.

-- The one that all of its objects were moved into; NULL: that of the bucket.
ALTER TABLE videos ADD COLUMN storage_class text;
