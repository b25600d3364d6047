"""The pages beside the first. Each begins with parts.begin_page()."""
