"""Short videos of one real Noto emoji that moves over a plain ground, with prompts such as "a red apple moving left"."""
