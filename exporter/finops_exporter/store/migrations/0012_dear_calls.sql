-- The few calls that cost more than a dollar, which a dashboard lists every minute.

CREATE INDEX ai_token_usage_dear ON ai_token_usage (time) WHERE cost_usd > 1;
