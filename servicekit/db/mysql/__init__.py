"""Django's backend for MySQL and MariaDB, as this project needs it. The driver is PyMySQL, under the name that Django
asks for: it is plain Python, so `pip install` needs neither a compiler nor a client library (docs/adr/0010).
"""

import pymysql

pymysql.install_as_MySQLdb()
