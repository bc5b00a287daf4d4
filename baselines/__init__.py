"""Reference implementations and controls, one folder each; they register by entry point like any third party's."""
