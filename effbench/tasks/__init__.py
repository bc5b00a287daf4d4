"""Our own tasks; each registers by entry point, as a third party's would."""
