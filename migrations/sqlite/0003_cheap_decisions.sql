-- Which rules these are: another number with every change of what policies say, so that whoever keeps them in memory
-- knows when they are others. Drawn by lot: a database that was set back must not count up to a number again.
CREATE TABLE rules_version (
    one BIGINT NOT NULL PRIMARY KEY CHECK (one = 1),
    version BIGINT NOT NULL
);
INSERT INTO rules_version (one, version) VALUES (1, 1);

-- Triggers, so that no way of writing can forget it.
CREATE TRIGGER rules_inserted AFTER INSERT ON noun
WHEN NEW.kind IN ('access-policy', 'activity', 'connection-profile')
BEGIN
    UPDATE rules_version SET version = random();
END;
CREATE TRIGGER rules_updated AFTER UPDATE ON noun
WHEN NEW.kind IN ('access-policy', 'activity', 'connection-profile')
BEGIN
    UPDATE rules_version SET version = random();
END;
CREATE TRIGGER rules_deleted AFTER DELETE ON noun
WHEN OLD.kind IN ('access-policy', 'activity', 'connection-profile')
BEGIN
    UPDATE rules_version SET version = random();
END;

-- The sessions that somebody may enter: few, however many there have been.
CREATE INDEX session_asked_ahead ON session (user_name, host_id) WHERE final = 0 AND origin = 'api';
