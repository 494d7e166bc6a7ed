"""A task's specification -> its data, from a local folder or the hub, checked and limited."""
