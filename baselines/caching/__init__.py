"""Methods that reuse what an earlier step computed: the caching peers of an attention or step-redundancy method."""
