-- The function that counts inserted calls works with its owner's rights. Whoever may make a temporary
-- table could hang it on one and have invented calls counted; firing where it hangs needs no right.
REVOKE EXECUTE ON FUNCTION ai_count_inserted() FROM PUBLIC;
