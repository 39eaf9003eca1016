-- Who did what to which id, from where.

CREATE TABLE audit (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at         timestamptz NOT NULL DEFAULT now(),
    token_id   uuid,
    scope      text,
    action     text NOT NULL,
    target     text,
    status     integer NOT NULL,
    ip         text NOT NULL,
    request_id uuid NOT NULL
);
CREATE INDEX audit_token_idx ON audit (token_id, id DESC);
COMMENT ON TABLE audit IS 'Writes that were answered, refusals included. Append only: a trigger refuses everything but INSERT';
COMMENT ON COLUMN audit.token_id IS 'Null before anybody is recognised. No reference, so that nothing ever has to change here';
COMMENT ON COLUMN audit.action IS 'Method and route';
COMMENT ON COLUMN audit.target IS 'The id in the path, or of what was made';

CREATE FUNCTION audit_is_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the audit log is append only: % is refused', TG_OP USING ERRCODE = 'insufficient_privilege';
END
$$;
CREATE TRIGGER audit_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit
    FOR EACH STATEMENT EXECUTE FUNCTION audit_is_append_only();
