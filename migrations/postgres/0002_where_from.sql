-- Where a session was started from, and through which gateway it runs: names as they were then.
ALTER TABLE session ADD COLUMN launch_point_id TEXT NOT NULL DEFAULT '';
ALTER TABLE session ADD COLUMN launch_point_name TEXT NOT NULL DEFAULT '';
ALTER TABLE session ADD COLUMN node_name TEXT NOT NULL DEFAULT '';
ALTER TABLE session ADD COLUMN gateway_group TEXT NOT NULL DEFAULT '';
UPDATE session SET launch_point_id = 'api', launch_point_name = 'API' WHERE origin = 'api';
UPDATE session SET launch_point_id = 'connect-string', launch_point_name = 'Connect string' WHERE origin = 'connect';

-- Nodes that serve the same purpose or place.
ALTER TABLE node ADD COLUMN gateway_group TEXT NOT NULL DEFAULT '';

-- What authentication was for: the console, or a target.
ALTER TABLE login ADD COLUMN service_provider TEXT NOT NULL DEFAULT '';
UPDATE login SET service_provider = 'console' WHERE kind = 'CONSOLE';
UPDATE login SET service_provider = (SELECT host FROM session WHERE session.id = login.session_id)
    WHERE session_id IN (SELECT id FROM session);
