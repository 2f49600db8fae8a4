-- Which rungs (smaller pictures) the broadcasts of a channel have: "automatic", "off", or names with commas between.

-- NULL means the server's setting. Names are not checked here, because versions may differ in them.
ALTER TABLE channels ADD COLUMN ladder text CHECK (ladder <> '');
