-- What was measured of a connection: bandwidth, updates of the screen, round trips. JSON; NULL where nothing was.
ALTER TABLE connection ADD COLUMN meters TEXT;
