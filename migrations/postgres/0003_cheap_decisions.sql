-- Which rules these are: another number with every change of what policies say, so that whoever keeps them in memory
-- knows when they are others. Drawn by lot: a database that was set back must not count up to a number again.
CREATE TABLE rules_version (
    one BIGINT NOT NULL PRIMARY KEY CHECK (one = 1),
    version BIGINT NOT NULL,
    -- The transaction that drew it: many changes in one are one.
    drawn_by TEXT NOT NULL DEFAULT ''
);
INSERT INTO rules_version (one, version) VALUES (1, 1);

-- Triggers, so that no way of writing can forget it.
CREATE FUNCTION rules_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE rules_version SET version = (random() * 9007199254740992)::BIGINT, drawn_by = txid_current() || ' ' || now()
        WHERE drawn_by <> txid_current() || ' ' || now();
    RETURN NULL;
END $$;
CREATE TRIGGER rules_inserted AFTER INSERT ON noun FOR EACH ROW
    WHEN (NEW.kind IN ('access-policy', 'activity', 'connection-profile')) EXECUTE FUNCTION rules_changed();
CREATE TRIGGER rules_updated AFTER UPDATE ON noun FOR EACH ROW
    WHEN (NEW.kind IN ('access-policy', 'activity', 'connection-profile')) EXECUTE FUNCTION rules_changed();
CREATE TRIGGER rules_deleted AFTER DELETE ON noun FOR EACH ROW
    WHEN (OLD.kind IN ('access-policy', 'activity', 'connection-profile')) EXECUTE FUNCTION rules_changed();

-- The sessions that somebody may enter: few, however many there have been.
CREATE INDEX session_asked_ahead ON session (user_name, host_id) WHERE final = 0 AND origin = 'api';
