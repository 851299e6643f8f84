//! SFTP version 3 (draft-ietf-secsh-filexfer-02) with OpenSSH's extensions, read from both sides.
