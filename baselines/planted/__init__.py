"""Methods that plant a known difference, with which EffBench measures itself."""
