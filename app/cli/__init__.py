"""The operator's shell: what an administrator does in the browser, also beside a running gateway or without one."""
