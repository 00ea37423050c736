-- Tokens of the API of AI budgets.

-- name: tokens
-- Those that are not revoked, in the order of the fields of api_token.ApiToken.
SELECT token_id, token_name, role, tenants, secret_sha256, created_at, expires_at
FROM ai_api_tokens WHERE revoked_at IS NULL ORDER BY token_name;

-- name: create_token
INSERT INTO ai_api_tokens (token_id, token_name, role, tenants, secret_sha256, created_by, created_at,
                           expires_at)
VALUES (%(id)s, %(name)s, %(role)s, %(tenants)s, %(digest)s, %(by)s, %(created_at)s, %(expires_at)s)
ON CONFLICT (token_name) WHERE revoked_at IS NULL DO NOTHING;

-- name: revoke_token
UPDATE ai_api_tokens SET revoked_at = %(now)s WHERE token_name = %(name)s AND revoked_at IS NULL;
