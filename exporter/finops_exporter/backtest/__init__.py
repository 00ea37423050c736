"""History judged as it would have been judged day by day: from a file, or what is stored."""
