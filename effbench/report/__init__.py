"""From a store to tables and pictures: ``summarise`` a view, then render it; nothing here measures or decides."""
