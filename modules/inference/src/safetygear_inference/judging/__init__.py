"""What the judging of one camera's frames speaks: boxes by label, tracked people, evidence, judged people."""
