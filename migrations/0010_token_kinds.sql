-- What a token is for, whose it is, and which one it took over from.

ALTER TABLE token
    ADD COLUMN kind      text NOT NULL DEFAULT 'access' CHECK (kind IN ('access', 'session', 'login', 'enrolment')),
    ADD COLUMN worker_id uuid,
    ADD COLUMN replaces  uuid REFERENCES token (id);
UPDATE token SET kind = CASE WHEN single_use THEN 'login' WHEN name = 'session' THEN 'session' ELSE 'access' END;
COMMENT ON COLUMN token.kind IS 'One kind is never taken for another; single_use follows from it and is kept for servers of the version before';
COMMENT ON COLUMN token.worker_id IS 'The only worker it is good for; from an enrolment, so there may be no such worker yet';
COMMENT ON COLUMN token.replaces IS 'The token whose successor it is';
