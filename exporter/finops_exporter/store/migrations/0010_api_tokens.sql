-- Who may ask the API of AI budgets.

-- A token is revoked, never deleted; its name may then be given again. Only the SHA-256 of its secret
-- is kept: a secret has 256 random bits, which nobody finds by trying.
CREATE TABLE ai_api_tokens (
    token_id      text PRIMARY KEY,
    token_name    text NOT NULL CHECK (token_name <> ''),
    role          text NOT NULL CHECK (role IN ('reader', 'service', 'admin')),
    tenants       text[] NOT NULL,
    secret_sha256 bytea NOT NULL CHECK (octet_length(secret_sha256) = 32),
    created_by    text NOT NULL,
    created_at    timestamptz NOT NULL,
    expires_at    timestamptz,
    revoked_at    timestamptz,
    CHECK (role <> 'admin' OR tenants = '{}')
);
COMMENT ON COLUMN ai_api_tokens.tenants IS 'whom it is for; empty: for all';
CREATE UNIQUE INDEX ai_api_tokens_name ON ai_api_tokens (token_name) WHERE revoked_at IS NULL;
