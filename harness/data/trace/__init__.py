"""TRACE's data: fetched, checked, unpacked."""
