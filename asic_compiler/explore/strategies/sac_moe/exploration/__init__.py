"""Which actions are taken besides the policy's own: at random, or near what paid."""
