"""The course's last lessons: a client and a server that students write themselves."""
