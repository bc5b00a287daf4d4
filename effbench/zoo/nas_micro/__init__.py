"""The recipe of EffBench-Micro: cells of NAS-Bench-201's space, really trained on real digits; no model ships."""
