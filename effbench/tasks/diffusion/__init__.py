"""What text-to-image and text-to-video share: pipelines and where they come from, prompts, noise, fidelity, distances."""
