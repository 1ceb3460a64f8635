from django.contrib import admin

admin.site.site_header = admin.site.site_title = "Paydesk"
admin.site.index_title = "Back office"
